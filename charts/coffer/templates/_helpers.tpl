{{/* The release's name, with "coffer" in it. */}}
{{- define "coffer.fullname" -}}
{{- if contains "coffer" .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-coffer" .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "coffer.operator" -}}
{{ include "coffer.fullname" . }}-operator
{{- end -}}

{{- define "coffer.serviceAccount" -}}
{{- if .Values.serviceAccount.name -}}
{{- .Values.serviceAccount.name -}}
{{- else if .Values.serviceAccount.create -}}
{{- include "coffer.operator" . -}}
{{- else -}}
{{- fail "serviceAccount.name is required when serviceAccount.create is false" -}}
{{- end -}}
{{- end -}}

{{/* The databases' network policies let in pods with name and component: never change these two. */}}
{{- define "coffer.selectorLabels" -}}
app.kubernetes.io/name: coffer
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: operator
{{- end -}}

{{- define "coffer.labels" -}}
{{- $own := fromYaml (include "coffer.selectorLabels" .) -}}
{{- $_ := set $own "app.kubernetes.io/part-of" "coffer" -}}
{{- $_ := set $own "app.kubernetes.io/managed-by" .Release.Service -}}
{{- $_ := set $own "app.kubernetes.io/version" (.Chart.AppVersion | toString) -}}
{{- $_ := set $own "helm.sh/chart" (printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_") -}}
{{- toYaml (merge $own .Values.commonLabels) -}}
{{- end -}}

{{- define "coffer.image" -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) -}}
{{- end -}}
{{- end -}}

{{/* The roles in watched namespaces. One of them may be the operator's own, where it has another Role. */}}
{{- define "coffer.databasesRole" -}}
{{ include "coffer.operator" . }}-databases
{{- end -}}

{{/* "true" where the chart may make objects of the cluster's own, but for CRDs. */}}
{{- define "coffer.clusterRoles" -}}
{{- if and .Values.rbac.create (or (eq .Values.rbac.scope "cluster") .Values.rbac.clusterResources) -}}true{{- end -}}
{{- end -}}

{{/* "true" where metrics are served: to find out who asks takes a right in the cluster. */}}
{{- define "coffer.metrics" -}}
{{- if and .Values.metrics.enabled (or (not .Values.rbac.create) (include "coffer.clusterRoles" .)) -}}true
{{- else if .Values.metrics.serviceMonitor.enabled -}}
{{- if .Values.metrics.enabled -}}
{{- fail "metrics.serviceMonitor.enabled needs rbac.scope=cluster or rbac.clusterResources=true: the operator has to ask the cluster who scrapes it" -}}
{{- end -}}
{{- end -}}
{{- end -}}
