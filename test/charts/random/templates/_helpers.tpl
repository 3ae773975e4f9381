{{- define "random.password" -}}
{{- if not (hasKey .Values "_generated") }}
{{- $_ := set .Values "_generated" (randAlphaNum 20) }}
{{- end }}
{{- .Values._generated }}
{{- end }}
{{- define "random.once" -}}{{ randAlphaNum 10 }}{{- end }}
{{- define "random.looked" -}}
{{- $secret := lookup "v1" "Secret" .Release.Namespace "app-looked" }}
{{- if $secret }}{{ index $secret.data "admin-password" | b64dec }}{{ else }}{{ randAlphaNum 40 }}{{ end }}
{{- end }}
