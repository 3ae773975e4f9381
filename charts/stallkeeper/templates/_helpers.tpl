{{/* The name that all objects' names begin with. */}}
{{- define "stallkeeper.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/*
What holds where a value is not there: helm upgrade --reuse-values brings the values of a former release, which lack what this one has added, and null
takes one away. Lists and maps that people fill are not here: without them there is nothing. test/chart compares it with values.yaml.
*/}}
{{- define "stallkeeper.defaults" -}}
createSalesNamespaces: true
tenantRBAC: {enabled: false}
tenantLimits: {anyHost: false}
drift: {secrets: false}
usage: {retentionDays: 35}
credentials: {}
image: {repository: ghcr.io/stallkeeper/stallkeeper, pullPolicy: IfNotPresent}
webhook:
  replicas: 2
  maxConcurrentCallbacks: 256
  shutdownDelaySeconds: 5
  tls: {mode: secret, certManager: {issuerKind: ClusterIssuer, issuerGroup: cert-manager.io}}
  service: {type: ClusterIP}
  ingress: {}
login: {replicas: 2, tls: {mode: secret}, service: {type: ClusterIP}, ingress: {}}
controller: {replicas: 2}
admissionPolicies: {enabled: true, minRetentionSeconds: 86400}
networkPolicy: {enabled: true}
metrics: {serviceMonitor: {interval: 30s}}
aggregateRoles: {enabled: true}
crds: {enabled: true, keep: true}
test: {marketplace: koogallery, callbackSecret: koogallery-callbacks}
{{- end -}}

{{/* Puts defaults where values has nothing, in place. Takes (dict "values" VALUES "defaults" DEFAULTS). */}}
{{- define "stallkeeper.fill" -}}
{{- range $key, $default := .defaults -}}
{{- $value := get $.values $key -}}
{{- if or (not (hasKey $.values $key)) (kindIs "invalid" $value) -}}
{{- $_ := set $.values $key $default -}}
{{- else if kindIs "map" $default -}}
{{- include "stallkeeper.fill" (dict "values" $value "defaults" $default) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Each template begins with this. */}}
{{- define "stallkeeper.absent" -}}
{{- include "stallkeeper.fill" (dict "values" .Values "defaults" (include "stallkeeper.defaults" . | fromYaml)) -}}
{{- end -}}

{{- define "stallkeeper.webhook" -}}{{ include "stallkeeper.fullname" . }}-webhook{{- end -}}
{{- define "stallkeeper.controller" -}}{{ include "stallkeeper.fullname" . }}-controller{{- end -}}

{{- define "stallkeeper.login" -}}{{ include "stallkeeper.fullname" . }}-login{{- end -}}

{{/* The components that run, as a JSON list. */}}
{{- define "stallkeeper.components" -}}
{{ concat (list "webhook" "controller") (ternary (list "login") list (not (not .Values.login.enabled))) | toJson }}
{{- end -}}

{{/* Labels that select a component's pods. Takes (dict "root" $ "component" "webhook"). */}}
{{- define "stallkeeper.selectorLabels" -}}
app.kubernetes.io/name: {{ default .root.Chart.Name .root.Values.nameOverride | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{/* Labels of every object. Takes (dict "root" $ "component" "webhook"). */}}
{{- define "stallkeeper.labels" -}}
{{ include "stallkeeper.selectorLabels" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name (replace "+" "_" .root.Chart.Version) | trunc 63 | trimSuffix "-" }}
{{- end -}}

{{/* The same labels as key=value,key=value. */}}
{{- define "stallkeeper.labelsFlag" -}}
{{- $pairs := list -}}
{{- range $key, $value := include "stallkeeper.selectorLabels" . | fromYaml -}}
{{- $pairs = append $pairs (printf "%s=%s" $key $value) -}}
{{- end -}}
{{ join "," $pairs }}
{{- end -}}

{{- define "stallkeeper.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ default $.Chart.AppVersion .tag }}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "stallkeeper.tlsSecretName" -}}
{{ default (printf "%s-tls" (include "stallkeeper.webhook" .)) .Values.webhook.tls.secretName }}
{{- end -}}

{{- define "stallkeeper.loginTLSSecretName" -}}
{{ default (printf "%s-tls" (include "stallkeeper.login" .)) .Values.login.tls.secretName }}
{{- end -}}

{{/* The host of login.url, without its port. */}}
{{- define "stallkeeper.loginHost" -}}
{{ (urlParse (.Values.login.url | default "")).hostname }}
{{- end -}}

{{- define "stallkeeper.callbackPort" -}}
{{- if .Values.webhook.service.port -}}
{{ .Values.webhook.service.port }}
{{- else if eq .Values.webhook.tls.mode "ingress" -}}
80
{{- else -}}
443
{{- end -}}
{{- end -}}

{{- define "stallkeeper.credentialsNamespace" -}}
{{ default .Release.Namespace .Values.credentials.namespace }}
{{- end -}}

{{/* The user names that the API server knows the two ServiceAccounts by. */}}
{{- define "stallkeeper.webhookUser" -}}
system:serviceaccount:{{ .Release.Namespace }}:{{ include "stallkeeper.webhook" . }}
{{- end -}}
{{- define "stallkeeper.controllerUser" -}}
system:serviceaccount:{{ .Release.Namespace }}:{{ include "stallkeeper.controller" . }}
{{- end -}}

{{/* CEL: the request is none of our two processes'. */}}
{{- define "stallkeeper.byOthers" -}}
!(request.userInfo.username in ['{{ include "stallkeeper.webhookUser" . }}', '{{ include "stallkeeper.controllerUser" . }}'])
{{- end -}}

{{/* CEL: the request is the cluster's own, such as its garbage collector's and its namespace controller's. */}}
{{- define "stallkeeper.byTheCluster" -}}
request.userInfo.username == 'system:kube-controller-manager' ||
request.userInfo.?groups.orValue([]).exists(g, g == 'system:serviceaccounts:kube-system')
{{- end -}}

{{/* CEL: the namespace of the request is a sales namespace. */}}
{{- define "stallkeeper.inSales" -}}
request.namespace in {{ toJson .Values.salesNamespaces }}
{{- end -}}

{{/* A selector of the sales namespaces. The API server itself sets the label. */}}
{{- define "stallkeeper.salesSelector" -}}
matchExpressions:
  - {key: kubernetes.io/metadata.name, operator: In, values: {{ toJson .Values.salesNamespaces }}}
{{- end -}}

{{/* A binding of the policy that has the same name. Takes (dict "name" NAME "labels" LABELS). */}}
{{- define "stallkeeper.binding" -}}
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata:
  name: {{ .name }}
  labels:
    {{- .labels | nindent 4 }}
spec:
  policyName: {{ .name }}
  validationActions: [Deny]
{{- end -}}

{{/*
The kinds that the controller makes in tenants' namespaces, as a JSON object with one list: those of the values, those that
it makes of itself for every tenant, and Roles where they are allowed.
*/}}
{{- define "stallkeeper.tenantKinds" -}}
{{- $own := list
  (dict "group" "" "version" "v1" "resource" "resourcequotas")
  (dict "group" "" "version" "v1" "resource" "limitranges")
  (dict "group" "" "version" "v1" "resource" "serviceaccounts")
  (dict "group" "" "version" "v1" "resource" "secrets")
  (dict "group" "" "version" "v1" "resource" "configmaps")
  (dict "group" "networking.k8s.io" "version" "v1" "resource" "networkpolicies") -}}
{{- $kinds := concat (.Values.tenantKinds | default list) (.Values.extraTenantKinds | default list) $own -}}
{{- if .Values.tenantRBAC.enabled -}}
{{- $kinds = concat $kinds (list
  (dict "group" "rbac.authorization.k8s.io" "version" "v1" "resource" "roles")
  (dict "group" "rbac.authorization.k8s.io" "version" "v1" "resource" "rolebindings")) -}}
{{- end -}}
{{- dict "kinds" (uniq $kinds) | toJson -}}
{{- end -}}

{{/* The kinds that the controller knows how to stop, by group, as tenant.StoppedKinds has them. */}}
{{- define "stallkeeper.stoppedKinds" -}}
{{- dict
  "apps" (list "deployments" "statefulsets" "replicasets")
  "autoscaling" (list "horizontalpodautoscalers")
  "batch" (list "jobs" "cronjobs")
  "keda.sh" (list "scaledobjects" "scaledjobs") | toJson -}}
{{- end -}}

{{/* The same kinds as the controller's flag wants them: resource.version.group, and resource.version of the core group. */}}
{{- define "stallkeeper.tenantKindsFlag" -}}
{{- $names := list -}}
{{- range (include "stallkeeper.tenantKinds" . | fromJson).kinds -}}
{{- $names = append $names (printf "%s.%s%s" .resource .version (ternary "" (printf ".%s" .group) (eq .group ""))) -}}
{{- end -}}
{{- join "," $names -}}
{{- end -}}

{{/*
What tenants' Roles may allow, as a JSON object of verbs by resource and group: {"pods/log": ["get"], "deployments.apps": ["list"]}. For the
controller's flag and for the admission policy, which is why both know the same.
*/}}
{{- define "stallkeeper.tenantRoleRights" -}}
{{- $rights := dict -}}
{{- if .Values.tenantRBAC.enabled -}}
{{- range .Values.tenantRBAC.rules | default list -}}
{{- $verbs := .verbs -}}
{{- $groups := .apiGroups -}}
{{- range $resource := .resources -}}
{{- range $group := $groups -}}
{{- $name := trimSuffix "." (printf "%s.%s" $resource $group) -}}
{{- $_ := set $rights $name (concat (get $rights $name | default list) $verbs | uniq) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toJson $rights -}}
{{- end -}}

{{- define "stallkeeper.tenantNamespacePrefix" -}}{{ default "tenant-" .Values.tenantNamespacePrefix }}{{- end -}}
{{- define "stallkeeper.maxPodSecurityLevel" -}}{{ default "baseline" .Values.maxPodSecurityLevel }}{{- end -}}

{{/* The Pod Security levels that a tenant's namespace may have, as a JSON list. */}}
{{- define "stallkeeper.podSecurityLevels" -}}
{{- get (dict
  "restricted" (list "restricted")
  "baseline" (list "restricted" "baseline")
  "privileged" (list "restricted" "baseline" "privileged")) (include "stallkeeper.maxPodSecurityLevel" .) | toJson -}}
{{- end -}}

{{/* The parts of a pod that all components share. Takes (dict "root" $ "component" "webhook" "values" $.Values.webhook). */}}
{{- define "stallkeeper.pod" -}}
serviceAccountName: {{ include (printf "stallkeeper.%s" .component) .root }}
automountServiceAccountToken: true
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  seccompProfile:
    type: RuntimeDefault
{{- with .root.Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .root.Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .root.Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .root.Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
topologySpreadConstraints:
  {{- with .values.topologySpreadConstraints }}
  {{- toYaml . | nindent 2 }}
  {{- else }}
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "stallkeeper.selectorLabels" . | nindent 8 }}
  {{- end }}
{{- end -}}

{{/* The parts of a container that all components share. Takes the same as stallkeeper.pod. */}}
{{- define "stallkeeper.container" -}}
image: {{ include "stallkeeper.image" .root }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
securityContext:
  runAsNonRoot: true
  readOnlyRootFilesystem: true
  allowPrivilegeEscalation: false
  capabilities:
    drop: [ALL]
  seccompProfile:
    type: RuntimeDefault
livenessProbe:
  httpGet:
    path: /healthz
    port: health
  initialDelaySeconds: 10
  periodSeconds: 20
# Every second, or a process that is ready after one is used after five only. It is given up after as long as with the usual
# three attempts every five.
readinessProbe:
  httpGet:
    path: /readyz
    port: health
  periodSeconds: 1
  failureThreshold: 15
resources:
  {{- toYaml .values.resources | nindent 2 }}
{{- end -}}

{{/* Tells the process how much memory its container may use, or its node has, so that Go collects garbage before that is reached. */}}
{{- define "stallkeeper.memoryLimit" -}}
- name: CONTAINER_MEMORY_LIMIT
  valueFrom:
    resourceFieldRef:
      resource: limits.memory
{{- end -}}

{{/* The hosts of the callbacks and the sign-on, as a JSON list. */}}
{{- define "stallkeeper.ownHosts" -}}
{{- concat (list .Values.webhook.host) (ternary (list (include "stallkeeper.loginHost" .)) list (not (not .Values.login.enabled))) | compact | toJson -}}
{{- end -}}
