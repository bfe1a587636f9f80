{{- define "parley.name" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name | trunc 40 | trimSuffix "-" }}{{ else }}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 40 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "parley.selector" -}}
app.kubernetes.io/name: {{ .root.Chart.Name }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .part }}
{{- end }}

{{- define "parley.labels" -}}
{{ include "parley.selector" . }}
app.kubernetes.io/version: {{ .root.Values.image.tag | default .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ .root.Chart.Name }}-{{ .root.Chart.Version }}
{{- end }}

{{- define "parley.image" -}}
image: {{ printf "%s:%s" .Values.image.repository (.Values.image.tag | default .Chart.AppVersion) | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
{{- end }}

{{/* What a pod and a container of ours may do: as in compose.yaml. */}}
{{- define "parley.podSecurity" -}}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "parley.security" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
{{- end }}

{{- define "parley.placing" -}}
{{- with .root.Values.imagePullSecrets }}
imagePullSecrets: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with .root.Values.nodeSelector }}
nodeSelector: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with .root.Values.tolerations }}
tolerations: {{ toYaml . | nindent 2 }}
{{- end }}
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels: {{ include "parley.selector" . | nindent 8 }}
{{- end }}

{{/* One variable from the Secret: name, key in secretKeys, whether it may be missing. */}}
{{- define "parley.secret" -}}
- name: {{ .name }}
  valueFrom:
    secretKeyRef:
      name: {{ .root.Values.existingSecret }}
      key: {{ index .root.Values.secretKeys .key }}
      {{- if .optional }}
      optional: true
      {{- end }}
{{- end }}

{{- define "parley.settings" -}}
{{- range $name, $value := .Values.settings }}
- {name: {{ $name }}, value: {{ $value | quote }}}
{{- end }}
{{- end }}

{{- define "parley.uplinkEnv" -}}
{{ include "parley.secret" (dict "root" . "name" "PARLEY_WORKER_TOKEN" "key" "workerToken") }}
{{- end }}

{{- define "parley.modelsEnv" -}}
- {name: PARLEY_MODELS_URL, value: {{ .Values.modelsUrl | quote }}}
{{ include "parley.secret" (dict "root" . "name" "PARLEY_MODELS_API_KEY" "key" "modelsApiKey") }}
{{- end }}

{{- define "parley.livekitEnv" -}}
- {name: PARLEY_LIVEKIT_URL, value: {{ .Values.livekit.url | quote }}}
{{ include "parley.secret" (dict "root" . "name" "PARLEY_LIVEKIT_API_KEY" "key" "livekitApiKey") }}
{{ include "parley.secret" (dict "root" . "name" "PARLEY_LIVEKIT_API_SECRET" "key" "livekitApiSecret") }}
{{- end }}

{{- define "parley.metricsEnv" -}}
- {name: PARLEY_METRICS_HOST, value: "0.0.0.0"}
- {name: PARLEY_METRICS_PORT, value: {{ .Values.metricsPort | quote }}}
{{- end }}

{{/* What serve and jobs read alike. */}}
{{- define "parley.controlPlaneEnv" -}}
{{ include "parley.secret" (dict "root" . "name" "PARLEY_DATABASE_URL" "key" "databaseUrl") }}
{{ include "parley.secret" (dict "root" . "name" "PARLEY_REDIS_URL" "key" "redisUrl") }}
{{ include "parley.secret" (dict "root" . "name" "PARLEY_SECRET_KEY" "key" "secretKey") }}
{{ include "parley.secret" (dict "root" . "name" "PARLEY_FORMER_SECRET_KEYS" "key" "formerSecretKeys" "optional" true) }}
{{ include "parley.secret" (dict "root" . "name" "PARLEY_RECORDINGS_CREDENTIALS" "key" "recordingsCredentials" "optional" true) }}
- {name: PARLEY_RECORDINGS_URL, value: {{ .Values.recordingsUrl | quote }}}
- {name: PARLEY_PUBLIC_URL, value: {{ .Values.publicUrl | quote }}}
{{ include "parley.livekitEnv" . }}
{{ include "parley.modelsEnv" . }}
{{ include "parley.uplinkEnv" . }}
{{- end }}

{{- define "parley.scraped" -}}
{{- if not .Values.podMonitor }}
annotations:
  prometheus.io/scrape: "true"
  prometheus.io/port: {{ .Values.metricsPort | quote }}
{{- end }}
{{- end }}

{{/* Its loop turns: a process whose loop stands still tells no figures. */}}
{{- define "parley.alive" -}}
livenessProbe:
  httpGet: {path: /metrics, port: metrics}
  periodSeconds: 20
  timeoutSeconds: 5
  failureThreshold: 6
startupProbe:
  exec: {command: [test, -f, /tmp/ready]}
  periodSeconds: 3
  failureThreshold: 60
readinessProbe:
  exec: {command: [test, -f, /tmp/ready]}
  periodSeconds: 10
{{- end }}
