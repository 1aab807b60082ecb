# The image with both programs, for those who build with docker or buildah. `make image` makes the same without either.
FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=dev
ENV LDFLAGS="-s -w -X github.com/coffer-dev/coffer/engine/version.linked=${VERSION}"
RUN CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags="$LDFLAGS" -o /out/coffer . \
 && CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags="$LDFLAGS" -o /out/coffer-engine ./engine

FROM scratch
COPY --from=build /out/coffer /out/coffer-engine /
USER 65532:65532
