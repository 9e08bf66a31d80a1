{{- define "heirloom.name" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name | trunc 50 | trimSuffix "-" }}
{{- else }}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 50 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "heirloom.selector" -}}
app.kubernetes.io/name: heirloom
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "heirloom.labels" -}}
{{ include "heirloom.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "heirloom.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{- /* What every container of the image may do: as good as nothing. */ -}}
{{- define "heirloom.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{- define "heirloom.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{- /* The settings of the server and of commands beside it. `database` is the reference to the URL. */ -}}
{{- define "heirloom.env" -}}
{{- $root := .root -}}
- name: HEIRLOOM_DATABASE_URL
  valueFrom:
    secretKeyRef:
      name: {{ .database.secret | quote }}
      key: {{ .database.key | quote }}
- name: HEIRLOOM_MASTER_KEY_FILE
  value: /run/secrets/heirloom/master-key
- name: HEIRLOOM_ISSUER
  value: {{ $root.Values.issuer | quote }}
- name: HEIRLOOM_LISTEN
  value: 0.0.0.0:8080
{{- if $root.Values.metrics.enabled }}
- name: HEIRLOOM_METRICS__LISTEN
  value: {{ printf "0.0.0.0:%d" (int $root.Values.metrics.port) | quote }}
{{- end }}
- name: HEIRLOOM_HTTP__DRAIN_DELAY
  value: {{ $root.Values.drainDelay | quote }}
{{- with $root.Values.trustedProxies }}
- name: HEIRLOOM_HTTP__TRUSTED_PROXIES
  value: {{ join "," . | quote }}
{{- end }}
{{- if not (hasKey $root.Values.settings "HEIRLOOM_LOG__FORMAT") }}
- name: HEIRLOOM_LOG__FORMAT
  value: json
{{- end }}
{{- range $name, $value := $root.Values.settings }}
- name: {{ $name }}
  value: {{ $value | toString | quote }}
{{- end }}
{{- range $root.Values.secretSettings }}
- name: {{ .name }}
  valueFrom:
    secretKeyRef:
      name: {{ .secret | quote }}
      key: {{ .key | quote }}
{{- end }}
{{- end }}

{{- define "heirloom.mounts" -}}
- name: master-key
  mountPath: /run/secrets/heirloom
  readOnly: true
{{- range .Values.files }}
- name: files-{{ .name }}
  mountPath: /etc/heirloom/{{ .name }}
  readOnly: true
{{- end }}
{{- end }}

{{- define "heirloom.volumes" -}}
- name: master-key
  secret:
    secretName: {{ .Values.masterKey.secret | quote }}
    defaultMode: 0440
    items:
      - key: {{ .Values.masterKey.key | quote }}
        path: master-key
{{- range .Values.files }}
- name: files-{{ .name }}
  {{- if .configMap }}
  configMap:
    name: {{ .configMap | quote }}
  {{- else }}
  secret:
    secretName: {{ .secret | quote }}
    defaultMode: 0440
  {{- end }}
{{- end }}
{{- end }}

{{- /* The container that brings the schema up to date. */ -}}
{{- define "heirloom.migrate" -}}
- name: migrate
  image: {{ include "heirloom.image" .root | quote }}
  imagePullPolicy: {{ .root.Values.image.pullPolicy }}
  args: [migrate]
  env:
    {{- include "heirloom.env" . | nindent 4 }}
  securityContext:
    {{- include "heirloom.containerSecurity" . | nindent 4 }}
  {{- with .root.Values.resources }}
  resources:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  volumeMounts:
    {{- include "heirloom.mounts" .root | nindent 4 }}
{{- end }}
