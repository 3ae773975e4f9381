{{- define "passwords.manage" -}}
{{- $password := "" }}
{{- $data := (lookup "v1" "Secret" .context.Release.Namespace .secret).data }}
{{- if and $data (hasKey $data .key) }}
{{- $password = index $data .key | b64dec }}
{{- else }}
{{- $password = randAlphaNum 12 }}
{{- end }}
{{- $password | b64enc | quote }}
{{- end }}
