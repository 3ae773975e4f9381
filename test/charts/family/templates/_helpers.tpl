{{- define "family.name" -}}{{ .Chart.Name }}-{{ .Release.Name }}{{- end }}
{{- define "child.suffix" -}}overridden{{- end }}
