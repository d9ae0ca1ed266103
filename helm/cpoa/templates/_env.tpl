{{- /* The worker's options and where their values stand; one that is null or empty is left to the worker's default. */ -}}
{{- define "cpoa.options" -}}
CPOA_SERVICE_RETRY_COUNT: config.serviceRetryCount
CPOA_SERVICE_RETRY_BACKOFF_FACTOR: config.serviceRetryBackoffFactor
CPOA_BREAKER_FAILURES: config.breakerFailures
CPOA_BREAKER_SECONDS: config.breakerSeconds
CPOA_BREAKER_PAUSE_SECONDS: config.breakerPauseSeconds
CPOA_BREAKER_PAUSE_MAX_SECONDS: config.breakerPauseMaxSeconds
CPOA_MAX_INFLIGHT: config.maxInflight
CPOA_WORKER_THREADS: config.workerThreads
CPOA_MAX_CLAIMS: config.maxClaims
CPOA_LEASE_SECONDS: config.leaseSeconds
CPOA_RESCUE_INTERVAL_SECONDS: config.rescueIntervalSeconds
CPOA_DRAIN_SECONDS: config.drainSeconds
CPOA_HTTP_PORT: config.httpPort
CPOA_HTTP_BIND: config.httpBind
CPOA_DECLARE_TOPOLOGY: config.declareTopology
CPOA_LOG_LEVEL: config.logLevel
CPOA_LOG_FORMAT: config.logFormat
WCHA_SERVICE_BASE_URL: agents.wcha.url
{{- range $agent := list "pswa" "vfa" "sca" "iga" "tda" }}
{{ upper $agent }}_SERVICE_URL: agents.{{ $agent }}.url
{{- end }}
{{- range $agent := list "wcha" "pswa" "vfa" "sca" "iga" "tda" }}
CPOA_{{ upper $agent }}_SUBMIT_TIMEOUT_SECONDS: agents.{{ $agent }}.submitTimeoutSeconds
CPOA_{{ upper $agent }}_POLLING_INTERVAL_SECONDS: agents.{{ $agent }}.pollingIntervalSeconds
CPOA_{{ upper $agent }}_POLLING_TIMEOUT_SECONDS: agents.{{ $agent }}.pollingTimeoutSeconds
CPOA_{{ upper $agent }}_MAX_CONCURRENT: agents.{{ $agent }}.maxConcurrent
CPOA_{{ upper $agent }}_MAX_PER_SECOND: agents.{{ $agent }}.maxPerSecond
{{- end }}
WCHA_SEARCH_URL: harvest.searchUrl
WCHA_SEARCH_MAX_RESULTS: harvest.searchMaxResults
WCHA_REQUEST_TIMEOUT: harvest.requestTimeout
WCHA_USER_AGENT: harvest.userAgent
WCHA_MIN_CONTENT_LENGTH: harvest.minContentLength
WCHA_MAX_CONTENT_LENGTH: harvest.maxContentLength
WCHA_MAX_BODY_BYTES: harvest.maxBodyBytes
WCHA_ALLOW_HOSTS: harvest.allowHosts
ASF_WEBSOCKET_BASE_URL: asf.websocketBaseUrl
ASF_NOTIFICATION_URL: asf.notificationUrl
CPOA_ASF_SEND_UI_UPDATE_URL: asf.sendUiUpdateUrl
{{- end }}

{{- /* NAME: "value" lines of what is no secret. Takes the root, or a pool's. */ -}}
{{- define "cpoa.config" -}}
{{- range $name, $path := include "cpoa.options" . | fromYaml }}
{{- $value := $.Values -}}
{{- range $key := splitList "." $path }}{{ $value = get $value $key }}{{ end }}
{{- if not (or (kindIs "invalid" $value) (and (kindIs "string" $value) (eq $value ""))) }}
{{ $name }}: {{ include "cpoa.text" $value | quote }}
{{- end }}
{{- end }}
DATABASE_TYPE: postgres
{{- with .Values.postgresql }}
{{- if .host }}
POSTGRES_HOST: {{ .host | quote }}
POSTGRES_PORT: {{ .port | int | quote }}
POSTGRES_USER: {{ .user | quote }}
POSTGRES_DB: {{ .database | quote }}
{{- end }}
{{- if .sslmode }}
POSTGRES_SSLMODE: {{ .sslmode | quote }}
{{- end }}
{{- if .tls.caSecret }}
POSTGRES_SSLROOTCERT: {{ printf "/etc/cpoa/postgresql/%s" .tls.caKey | quote }}
{{- end }}
{{- end }}
{{- with .Values.rabbitmq.tls }}
{{- if .caSecret }}
AMQP_CA_FILE: {{ printf "/etc/cpoa/rabbitmq/%s" .caKey | quote }}
{{- end }}
{{- if .clientSecret }}
AMQP_CERT_FILE: /etc/cpoa/rabbitmq-client/tls.crt
AMQP_KEY_FILE: /etc/cpoa/rabbitmq-client/tls.key
{{- end }}
{{- end }}
{{- if .Values.agentsTls.caSecret }}
CPOA_AGENTS_CA_FILE: {{ printf "/etc/cpoa/agents/%s" .Values.agentsTls.caKey | quote }}
{{- end }}
{{- end }}

{{- /* A number as one writes it: YAML's large numbers are floating point to a template. */ -}}
{{- define "cpoa.text" -}}
{{- if and (kindIs "float64" .) (eq . (floor .)) }}{{ int64 . }}{{ else }}{{ . }}{{ end }}
{{- end }}

{{- /* Environment by reference to Secrets. Takes a list: root, name of a Secret in place of the chart's own (or ""). */ -}}
{{- define "cpoa.secretEnv" -}}
{{- $root := first . -}}
{{- $own := last . | default (include "cpoa.fullname" $root) -}}
{{- with $root.Values.rabbitmq }}
- name: AMQP_URL
  valueFrom:
    secretKeyRef: {name: {{ .existingSecret | default $own }}, key: {{ .secretKeys.url }}}
{{- end }}
{{- with $root.Values.postgresql }}
{{- $key := ternary "password" "url" (ne .host "") }}
- name: {{ ternary "POSTGRES_PASSWORD" "DATABASE_URL" (ne .host "") }}
  valueFrom:
    secretKeyRef: {name: {{ .existingSecret | default $own }}, key: {{ get .secretKeys $key }}}
{{- end }}
{{- with $root.Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}
