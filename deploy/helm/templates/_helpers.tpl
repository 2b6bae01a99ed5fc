{{- define "sluicegate.name" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- $full := contains $name .Release.Name | ternary .Release.Name (printf "%s-%s" .Release.Name $name) -}}
{{- $full | trunc 40 | trimSuffix "-" }}
{{- end }}

{{/* Labels that never change: selectors are made of them. */}}
{{- define "sluicegate.selector" -}}
app.kubernetes.io/name: {{ .root.Chart.Name }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
{{- with .component }}
app.kubernetes.io/component: {{ . }}
{{- end }}
{{- end }}

{{- define "sluicegate.labels" -}}
{{ include "sluicegate.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ .root.Chart.Name }}-{{ .root.Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "sluicegate.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{- define "sluicegate.serviceAccount" -}}
{{- if .Values.serviceAccount.create }}{{ .Values.serviceAccount.name | default (include "sluicegate.name" .) }}{{ else }}{{ .Values.serviceAccount.name | default "default" }}{{ end }}
{{- end }}

{{- define "sluicegate.keysSecret" -}}
{{ .Values.service.keys.existingSecret | default (printf "%s-keys" (include "sluicegate.name" .)) }}
{{- end }}

{{/*
What is said once for every pod of ours: no rights, no root, no writing but to /tmp. Without service links: the variables
that they make of a Service named sluicegate would be taken for settings, and refused.
*/}}
{{- define "sluicegate.pod" -}}
serviceAccountName: {{ include "sluicegate.serviceAccount" .root }}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  seccompProfile: {type: RuntimeDefault}
{{- with .root.Values.image.pullSecrets }}
imagePullSecrets: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with .of.nodeSelector }}
nodeSelector: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with .of.tolerations }}
tolerations: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with .of.affinity }}
affinity: {{ toYaml . | nindent 2 }}
{{- end }}
{{- if .of.topologySpreadConstraints }}
topologySpreadConstraints: {{ toYaml .of.topologySpreadConstraints | nindent 2 }}
{{- else }}
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels: {{ include "sluicegate.selector" (dict "root" .root "component" .component) | nindent 8 }}
{{- end }}
{{- with .of.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- end }}

{{- define "sluicegate.confined" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{/* How one of the processes reaches Kafka and Redis: what both have in common, and on top what is its own. */}}
{{- define "sluicegate.kafka" -}}
{{ mergeOverwrite (deepCopy .root.Values.kafka) (deepCopy .of.kafka) | toJson }}
{{- end }}
{{- define "sluicegate.redis" -}}
{{ mergeOverwrite (deepCopy .root.Values.redis) (deepCopy .of.redis) | toJson }}
{{- end }}

{{/* Secrets by name, passwords as files. */}}
{{- define "sluicegate.environment" -}}
{{- $kafka := include "sluicegate.kafka" . | fromJson }}
{{- $redis := include "sluicegate.redis" . | fromJson -}}
- {name: SLUICEGATE_KAFKA__BOOTSTRAP, value: {{ $kafka.bootstrap | quote }}}
- {name: SLUICEGATE_KAFKA__SECURITY_PROTOCOL, value: {{ $kafka.securityProtocol | quote }}}
{{- with $kafka.saslMechanism }}
- {name: SLUICEGATE_KAFKA__SASL_MECHANISM, value: {{ . | quote }}}
{{- end }}
{{- with $kafka.username }}
- {name: SLUICEGATE_KAFKA__USERNAME, value: {{ . | quote }}}
{{- end }}
{{- if and $kafka.existingSecret $kafka.saslMechanism }}
- {name: SLUICEGATE_KAFKA__PASSWORD_FILE, value: /etc/sluicegate/kafka/{{ $kafka.passwordKey }}}
{{- end }}
{{- with $kafka.caKey }}
- {name: SLUICEGATE_KAFKA__CAFILE, value: /etc/sluicegate/kafka/{{ . }}}
{{- end }}
{{- if $redis.urlKey }}
- name: SLUICEGATE_REDIS__URL
  valueFrom: {secretKeyRef: {name: {{ $redis.existingSecret }}, key: {{ $redis.urlKey }}}}
{{- else }}
- {name: SLUICEGATE_REDIS__URL, value: {{ $redis.url | quote }}}
{{- end }}
{{- with $redis.username }}
- {name: SLUICEGATE_REDIS__USERNAME, value: {{ . | quote }}}
{{- end }}
{{- with $redis.passwordKey }}
- {name: SLUICEGATE_REDIS__PASSWORD_FILE, value: /etc/sluicegate/redis/{{ . }}}
{{- end }}
{{- with $redis.caKey }}
- {name: SLUICEGATE_REDIS__CAFILE, value: /etc/sluicegate/redis/{{ . }}}
{{- end }}
{{- if .root.Values.config }}
- {name: SLUICEGATE_CONFIG, value: /etc/sluicegate/config/sluicegate.toml}
{{- end }}
{{- end }}

{{- define "sluicegate.mounts" -}}
- {name: tmp, mountPath: /tmp}
{{- if (include "sluicegate.kafka" . | fromJson).existingSecret }}
- {name: kafka, mountPath: /etc/sluicegate/kafka, readOnly: true}
{{- end }}
{{- if (include "sluicegate.redis" . | fromJson).existingSecret }}
- {name: redis, mountPath: /etc/sluicegate/redis, readOnly: true}
{{- end }}
{{- if .root.Values.config }}
- {name: config, mountPath: /etc/sluicegate/config, readOnly: true}
{{- end }}
{{- with .root.Values.mounts }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "sluicegate.volumes" -}}
- {name: tmp, emptyDir: {sizeLimit: {{ .of.temporary }}}}
{{- with (include "sluicegate.kafka" . | fromJson).existingSecret }}
- {name: kafka, secret: {secretName: {{ . }}, defaultMode: 0440}}
{{- end }}
{{- with (include "sluicegate.redis" . | fromJson).existingSecret }}
- {name: redis, secret: {secretName: {{ . }}, defaultMode: 0440}}
{{- end }}
{{- if .root.Values.config }}
- {name: config, configMap: {name: {{ include "sluicegate.name" .root }}-config}}
{{- end }}
{{- with .root.Values.volumes }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* A change of the settings file replaces the pods: they read it at their start alone. */}}
{{- define "sluicegate.podAnnotations" -}}
{{- if .root.Values.config }}
checksum/config: {{ .root.Values.config | sha256sum }}
{{- end }}
{{- with .of.podAnnotations }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* Ours: /livez answers while kernels load, /readyz when the process does its work. */}}
{{- define "sluicegate.probes" -}}
startupProbe:
  httpGet: {path: /livez, port: {{ . }}}
  periodSeconds: 2
  failureThreshold: 60
livenessProbe:
  httpGet: {path: /livez, port: {{ . }}}
  periodSeconds: 10
  timeoutSeconds: 3
readinessProbe:
  httpGet: {path: /readyz, port: {{ . }}}
  periodSeconds: 3
  timeoutSeconds: 3
{{- end }}

{{- define "sluicegate.ray" -}}
- {name: HOME, value: /tmp}
- {name: RAY_USAGE_STATS_ENABLED, value: "0"}
- {name: RAY_enable_metrics_collection, value: "0"}
{{- end }}

{{/*
Whether Ray's own process of the pod listens: coordinator and shards are Ray's, which starts them again. Only the pod in
which the coordinator happens to be answers /livez; KubeRay's probes ask a dashboard that is off, with wget.
*/}}
{{- define "sluicegate.rayProbes" -}}
startupProbe: {tcpSocket: {port: raylet}, periodSeconds: 2, failureThreshold: 60}
livenessProbe: {tcpSocket: {port: raylet}, periodSeconds: 10, timeoutSeconds: 3}
readinessProbe: {tcpSocket: {port: raylet}, periodSeconds: 3, timeoutSeconds: 3}
{{- end }}
