# The image with both programs, for those who build with docker or buildah. `make image` makes the same without either.
FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags="-s -w" -o /out/coffer . \
 && CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags="-s -w" -o /out/coffer-engine ./engine

FROM scratch
COPY --from=build /out/coffer /out/coffer-engine /
USER 65532:65532
