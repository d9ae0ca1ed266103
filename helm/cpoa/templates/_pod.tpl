{{- /* What passes the restricted Pod Security Standard. */ -}}
{{- define "cpoa.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "cpoa.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{- /* The parts of a pod that all of them have. */ -}}
{{- define "cpoa.pod" -}}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  {{- include "cpoa.podSecurity" . | nindent 2 }}
{{- with .Values.imagePullSecrets }}
imagePullSecrets: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.affinity }}
affinity: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with include "cpoa.volumes" . | trim }}
volumes: {{ . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "cpoa.volumes" -}}
{{- if .Values.rabbitmq.tls.caSecret }}
- name: rabbitmq-ca
  secret: {secretName: {{ .Values.rabbitmq.tls.caSecret }}}
{{- end }}
{{- if .Values.rabbitmq.tls.clientSecret }}
- name: rabbitmq-client
  secret: {secretName: {{ .Values.rabbitmq.tls.clientSecret }}, defaultMode: 0440}
{{- end }}
{{- if .Values.postgresql.tls.caSecret }}
- name: postgresql-ca
  secret: {secretName: {{ .Values.postgresql.tls.caSecret }}}
{{- end }}
{{- if .Values.agentsTls.caSecret }}
- name: agents-ca
  secret: {secretName: {{ .Values.agentsTls.caSecret }}}
{{- end }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "cpoa.mounts" -}}
{{- if .Values.rabbitmq.tls.caSecret }}
- {name: rabbitmq-ca, mountPath: /etc/cpoa/rabbitmq, readOnly: true}
{{- end }}
{{- if .Values.rabbitmq.tls.clientSecret }}
- {name: rabbitmq-client, mountPath: /etc/cpoa/rabbitmq-client, readOnly: true}
{{- end }}
{{- if .Values.postgresql.tls.caSecret }}
- {name: postgresql-ca, mountPath: /etc/cpoa/postgresql, readOnly: true}
{{- end }}
{{- if .Values.agentsTls.caSecret }}
- {name: agents-ca, mountPath: /etc/cpoa/agents, readOnly: true}
{{- end }}
{{- with .Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- /* The parts of a container that all of them have. Takes a dict: root, args, resources, and config (the ConfigMap's name) or
     secret (for a hook, which runs before there are ConfigMap and Secret: the options stand in the container, and the Secret
     is the hook's own). */ -}}
{{- define "cpoa.container" -}}
image: {{ include "cpoa.image" .root }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
args: {{ toJson .args }}
securityContext:
  {{- include "cpoa.containerSecurity" .root | nindent 2 }}
resources: {{ toYaml .resources | nindent 2 }}
env:
  {{- include "cpoa.secretEnv" (list .root (.secret | default "")) | trim | nindent 2 }}
  {{- if not .config }}
  {{- range $name, $value := include "cpoa.config" .root | fromYaml }}
  - {name: {{ $name }}, value: {{ $value | quote }}}
  {{- end }}
  {{- end }}
{{- if or .config .root.Values.extraEnvFrom }}
envFrom:
  {{- if .config }}
  - configMapRef: {name: {{ .config }}}
  {{- end }}
  {{- with .root.Values.extraEnvFrom }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}
{{- with include "cpoa.mounts" .root | trim }}
volumeMounts: {{ . | nindent 2 }}
{{- end }}
{{- end }}

{{- /* Liveness asks whether the threads tick and touches no server, so that a broker that is away starts no pod again. */ -}}
{{- define "cpoa.probes" -}}
ports:
  - {name: http, containerPort: {{ int .Values.config.httpPort }}}
{{- with .Values.probes }}
startupProbe:
  httpGet: {path: /livez, port: http}
  periodSeconds: 2
  failureThreshold: {{ div (add .startupSeconds 1) 2 }}
livenessProbe:
  httpGet: {path: /livez, port: http}
  periodSeconds: {{ .livenessPeriodSeconds }}
  timeoutSeconds: 2
  failureThreshold: {{ .livenessFailureThreshold }}
readinessProbe:
  httpGet: {path: /readyz, port: http}
  periodSeconds: {{ .readinessPeriodSeconds }}
  timeoutSeconds: 2
  failureThreshold: 2
{{- end }}
{{- end }}

{{- /* Takes a list: root, component. */ -}}
{{- define "cpoa.spread" -}}
{{- with (first .).Values.topologySpreadConstraints }}
{{- toYaml . }}
{{- else }}
{{- range $key := list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
- maxSkew: 1
  topologyKey: {{ $key }}
  whenUnsatisfiable: ScheduleAnyway
  labelSelector:
    matchLabels:
      {{- include "cpoa.selector" $ | nindent 6 }}
{{- end }}
{{- end }}
{{- end }}

{{- /* What every pod bears. Takes a list: root, component. */ -}}
{{- define "cpoa.podLabels" -}}
{{ include "cpoa.labels" . }}
{{- with (first .).Values.podLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}
