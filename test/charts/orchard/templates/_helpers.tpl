{{- define "orchard.name" -}}
{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 40 | trimSuffix "-" }}
{{- end }}

{{- define "orchard.labels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{/* The selector of one of the workloads: a dict of root and component. */}}
{{- define "orchard.selector" -}}
app.kubernetes.io/name: {{ .root.Chart.Name }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "orchard.podSecurity" -}}
runAsNonRoot: true
runAsUser: 1000
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{/* A container that runs a script, up to its arguments: a dict of root and name. */}}
{{- define "orchard.container" -}}
name: {{ .name }}
image: {{ .root.Values.image }}
imagePullPolicy: IfNotPresent
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
resources:
  requests: {cpu: 5m, memory: 8Mi}
  limits: {memory: 32Mi}
{{- end }}

{{/*
The address of the store, as Kubernetes tells it to pods in their environment once the store's Service is there. The image of
the end-to-end run can't resolve names.
*/}}
{{- define "orchard.storeHost" -}}
${ {{- printf "%s_STORE_SERVICE_HOST" .Release.Name | upper | replace "-" "_" }}:-}
{{- end }}
