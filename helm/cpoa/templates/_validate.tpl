{{- /* What a schema cannot say. Each sentence: what is wrong, and what to do. */ -}}
{{- define "cpoa.validate" -}}
{{- $v := .Values -}}
{{- with $v.rabbitmq }}
{{- if and (not .existingSecret) (not .url) }}
{{- fail (printf "RabbitMQ's address is missing: make a Secret with the key %s and name it in rabbitmq.existingSecret, or set rabbitmq.url." .secretKeys.url) }}
{{- end }}
{{- if and .existingSecret (or .url .managementUrl) }}
{{- fail "rabbitmq.existingSecret and rabbitmq.url (or managementUrl) are both set: the Secret wins over neither, so take one of them out." }}
{{- end }}
{{- if and .url (or .tls.caSecret .tls.clientSecret) (not (hasPrefix "amqps://" .url)) }}
{{- fail "rabbitmq.tls is set, but rabbitmq.url does not begin with amqps://, so no certificate would be looked at." }}
{{- end }}
{{- end }}
{{- with $v.postgresql }}
{{- if and .existingSecret (or .url .password) }}
{{- fail "postgresql.existingSecret and postgresql.url (or password) are both set: take one of them out." }}
{{- end }}
{{- if and .url .host }}
{{- fail "postgresql.url and postgresql.host are both set: the URL says everything, or host, user and database do." }}
{{- end }}
{{- if and (not .existingSecret) (not .url) (not (and .host .password)) }}
{{- fail (printf "PostgreSQL's address is missing: make a Secret with the key %s and name it in postgresql.existingSecret, or set postgresql.url, or host, user, password and database." .secretKeys.url) }}
{{- end }}
{{- if and .host (not (and .user .database)) }}
{{- fail "postgresql.host is set, so postgresql.user and postgresql.database are needed too." }}
{{- end }}
{{- end }}
{{- if not $v.pools }}
{{- fail "pools is empty: there would be no worker. Leave the pool `default`, or name one." }}
{{- end }}
{{- range $name, $pool := $v.pools }}
{{- if not (regexMatch "^[a-z0-9]([a-z0-9-]{0,18}[a-z0-9])?$" $name) }}
{{- fail (printf "pools.%s: a pool's name is part of its Deployment's: at most 20 small letters, digits and hyphens." $name) }}
{{- end }}
{{- if and $pool.workflows (has "all" $pool.workflows) (gt (len $pool.workflows) 1) }}
{{- fail (printf "pools.%s.workflows: `all` stands alone, or the types stand without it." $name) }}
{{- end }}
{{- $p := include "cpoa.pool" (list $ $name) | fromYaml }}
{{- with $p.Values.autoscaling }}
{{- if gt (int .minReplicas) (int .maxReplicas) }}
{{- fail (printf "pools.%s: autoscaling.minReplicas (%d) is more than maxReplicas (%d)." $name (int .minReplicas) (int .maxReplicas)) }}
{{- end }}
{{- if and (eq .type "hpa") (lt (int .minReplicas) 1) }}
{{- fail (printf "pools.%s: autoscaling.minReplicas is 0, which only KEDA can have (autoscaling.type: keda)." $name) }}
{{- end }}
{{- if and (eq .type "keda") (not .keda.existingRabbitmqAuthentication) (not $v.rabbitmq.existingSecret) (not $v.rabbitmq.managementUrl) }}
{{- fail "autoscaling.type is keda, which asks RabbitMQ's management API: set rabbitmq.managementUrl (http://user:password@host:15672/vhost)." }}
{{- end }}
{{- end }}
{{- $least := add (ceil $p.Values.config.drainSeconds) 10 }}
{{- if lt (int (include "cpoa.grace" $p)) (int $least) }}
{{- fail (printf "terminationGracePeriodSeconds is %s, but pool %s drains for %v s and needs 10 s more to close: set at least %d, or leave it null." (include "cpoa.grace" $p) $name $p.Values.config.drainSeconds $least) }}
{{- end }}
{{- end }}
{{- end }}
