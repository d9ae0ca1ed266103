{{- define "cpoa.name" -}}
{{ .Values.nameOverride | default .Chart.Name | trunc 40 | trimSuffix "-" }}
{{- end }}

{{- define "cpoa.fullname" -}}
{{- $name := include "cpoa.name" . -}}
{{- $own := ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) -}}
{{ .Values.fullnameOverride | default $own | trunc 40 | trimSuffix "-" }}
{{- end }}

{{- /* The labels of one component; a selector has no more than these. Takes a list: root, component. */ -}}
{{- define "cpoa.selector" -}}
app.kubernetes.io/name: {{ include "cpoa.name" (first .) }}
app.kubernetes.io/instance: {{ (first .).Release.Name }}
app.kubernetes.io/component: {{ last . }}
{{- end }}

{{- define "cpoa.labels" -}}
{{ include "cpoa.selector" . }}
app.kubernetes.io/version: {{ (first .).Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ (first .).Release.Service }}
app.kubernetes.io/part-of: aethercast
helm.sh/chart: {{ printf "%s-%s" (first .).Chart.Name (first .).Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "cpoa.image" -}}
{{- $i := .Values.image -}}
{{- if $i.digest }}{{ $i.repository }}@{{ $i.digest }}{{ else }}{{ $i.repository }}:{{ $i.tag | default .Chart.AppVersion }}{{ end }}
{{- end }}

{{- define "cpoa.serviceAccountName" -}}
{{- $sa := .Values.serviceAccount -}}
{{- if $sa.create }}{{ $sa.name | default (include "cpoa.fullname" .) }}{{ else }}{{ $sa.name | default "default" }}{{ end }}
{{- end }}

{{- /* A pool as a root of its own: what it sets lies over what the values say. Takes a list: root, name of the pool. */ -}}
{{- define "cpoa.pool" -}}
{{- $root := first . -}}
{{- $values := mergeOverwrite (deepCopy $root.Values) (deepCopy (index $root.Values.pools (last .))) -}}
{{ dict "Values" $values | toYaml }}
{{- end }}

{{- /* The seconds a pod has: to drain, and then to let go, flush and close. */ -}}
{{- define "cpoa.grace" -}}
{{- $least := add (ceil .Values.config.drainSeconds) 15 -}}
{{- $given := .Values.terminationGracePeriodSeconds -}}
{{- if kindIs "invalid" $given }}{{ $least }}{{ else }}{{ int $given }}{{ end }}
{{- end }}

{{- /* Whether the chart makes this Secret. */ -}}
{{- define "cpoa.makesSecret" -}}
{{- if or (not .Values.rabbitmq.existingSecret) (not .Values.postgresql.existingSecret) }}true{{ end }}
{{- end }}

{{- define "cpoa.rabbitmqSecret" -}}
{{ .Values.rabbitmq.existingSecret | default (include "cpoa.fullname" .) }}
{{- end }}

{{- define "cpoa.postgresqlSecret" -}}
{{ .Values.postgresql.existingSecret | default (include "cpoa.fullname" .) }}
{{- end }}

{{- /* What the chart's own Secret holds, under the names that secretKeys gives. */ -}}
{{- define "cpoa.secretData" -}}
{{- with .Values.rabbitmq }}{{- if not .existingSecret }}
{{ .secretKeys.url }}: {{ .url | quote }}
{{- if .managementUrl }}
{{ .secretKeys.managementUrl }}: {{ .managementUrl | quote }}
{{- end }}
{{- end }}{{ end }}
{{- with .Values.postgresql }}{{- if not .existingSecret }}
{{- if .host }}
{{ .secretKeys.password }}: {{ .password | quote }}
{{- else }}
{{ .secretKeys.url }}: {{ .url | quote }}
{{- end }}
{{- end }}{{ end }}
{{- end }}
