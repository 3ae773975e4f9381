#!/usr/bin/env bash
# Makes the chart's CRD templates from config/crd: each file behind the value crds.enabled, and kept on uninstall with
# crds.keep. Run by make generate; the results are never edited.
set -euo pipefail
cd "$(dirname "$0")/.."

from=config/crd
to=charts/stallkeeper/templates/crds

mkdir -p "$to"
rm -f "$to"/*.yaml
for file in "$from"/*.yaml; do
	# A field's description may speak of templates; Helm must not run what it says.
	awk '
		BEGIN { print "{{- include \"stallkeeper.absent\" . -}}"; print "{{- if .Values.crds.enabled }}" }
		/^---$/ { next }
		{ gsub(/\{\{/, "{{ \"{{\" }}"); print }
		/^  annotations:$/ && !done {
			print "    {{- if .Values.crds.keep }}"
			print "    helm.sh/resource-policy: keep"
			print "    {{- end }}"
			done = 1
		}
		END {
			if (!done) { print "no annotations in " FILENAME > "/dev/stderr"; exit 1 }
			print "{{- end }}"
		}
	' "$file" >"$to/$(basename "$file")"
done
