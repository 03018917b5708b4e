{{- define "goodput.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{ .Values.fullnameOverride | trunc 52 | trimSuffix "-" }}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if contains $name .Release.Name -}}
{{ .Release.Name | trunc 52 | trimSuffix "-" }}
{{- else if hasPrefix .Release.Name $name -}}
{{ $name | trunc 52 | trimSuffix "-" }}
{{- else -}}
{{ printf "%s-%s" .Release.Name $name | trunc 52 | trimSuffix "-" }}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "goodput.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: goodput-exporter
{{ include "goodput.selector" . }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "goodput.selector" -}}
app.kubernetes.io/name: {{ default .Chart.Name .Values.nameOverride | trunc 63 }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{/* What tells the pods of one shard from others: list of context, shard. */}}
{{- define "goodput.shardLabels" -}}
app.kubernetes.io/component: aggregator
{{- if gt (int (index . 0).Values.aggregator.shards) 1 }}
goodput-exporter/shard: {{ index . 1 | quote }}
{{- end }}
{{- end -}}

{{/* A port in either spelling, as a number. */}}
{{- define "goodput.port" -}}
{{ . | toString | trimPrefix ":" | int }}
{{- end -}}

{{- define "goodput.image" -}}
{{- $registry := default .Values.image.registry .Values.global.imageRegistry -}}
{{- $name := .Values.image.repository -}}
{{- if $registry }}{{ $name = printf "%s/%s" (trimSuffix "/" $registry) $name }}{{ end -}}
{{- if .Values.image.digest -}}
{{ $name }}@{{ .Values.image.digest }}
{{- else -}}
{{ $name }}:{{ .Values.image.tag | toString | default .Chart.AppVersion }}
{{- end -}}
{{- end -}}

{{- define "goodput.pullSecrets" -}}
{{- with concat .Values.global.imagePullSecrets .Values.image.pullSecrets }}
imagePullSecrets:
{{- range . }}
  - name: {{ if kindIs "map" . }}{{ .name }}{{ else }}{{ . }}{{ end }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "goodput.agentAccount" -}}
{{ .Values.agent.serviceAccount.name | default (printf "%s-agent" (include "goodput.fullname" .)) }}
{{- end -}}

{{- define "goodput.aggregatorAccount" -}}
{{ .Values.aggregator.serviceAccount.name | default (printf "%s-aggregator" (include "goodput.fullname" .)) }}
{{- end -}}

{{- define "goodput.priorityClass" -}}
{{ .Values.priorityClass.name | default (printf "%s-%s-agent" .Release.Namespace (include "goodput.fullname" .)) }}
{{- end -}}

{{/* The audience of agents' tokens: a token for another release's aggregator is none for ours. */}}
{{- define "goodput.audience" -}}
{{ printf "%s.%s.goodput-exporter" (include "goodput.fullname" .) .Release.Namespace }}
{{- end -}}

{{- define "goodput.scheme" -}}
{{ .Values.aggregator.tls.enabled | ternary "https" "http" }}
{{- end -}}

{{- define "goodput.agentScheme" -}}
{{ .Values.agent.tls.enabled | ternary "https" "http" }}
{{- end -}}

{{/* "true" where a choice of auto, always, never comes out so: list of context, choice, API. */}}
{{- define "goodput.wanted" -}}
{{- $context := index . 0 -}}
{{- $choice := index . 1 -}}
{{- if eq $choice "always" -}}true
{{- else if and (eq $choice "auto") ($context.Capabilities.APIVersions.Has (index . 2)) -}}true
{{- end -}}
{{- end -}}

{{- define "goodput.monitors" -}}
{{ include "goodput.wanted" (list . .Values.monitoring.monitors "monitoring.coreos.com/v1") }}
{{- end -}}

{{- define "goodput.annotationsWanted" -}}
{{- if eq .Values.monitoring.annotations "always" -}}true
{{- else if and (eq .Values.monitoring.annotations "auto") (ne (include "goodput.monitors" .) "true") -}}true
{{- end -}}
{{- end -}}

{{/* Settings by their names, as environment variables: a dict of names and values. */}}
{{- define "goodput.settings" -}}
{{- range $name, $value := . }}
- name: GOODPUT_EXPORTER_{{ $name | replace "." "_" | upper }}
{{- if kindIs "slice" $value }}
  value: {{ join "," $value | quote }}
{{- else if kindIs "float64" $value }}
  value: {{ $value | toJson | quote }}
{{- else if kindIs "invalid" $value }}
  value: ""
{{- else }}
  value: {{ $value | toString | quote }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "goodput.field" -}}
- name: {{ index . 0 }}
  valueFrom:
    fieldRef:
      fieldPath: {{ index . 1 }}
{{- end -}}

{{/* What every container may not do. */}}
{{- define "goodput.locked" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{- define "goodput.checks" -}}
{{- if and (gt (int .Values.aggregator.replicas) 1) (not .Values.aggregator.postgresql.enabled) -}}
{{- fail (printf "aggregator.replicas is %d, but a ledger in a file has one writer and lies on one node; set aggregator.postgresql.enabled, or 1" (int .Values.aggregator.replicas)) -}}
{{- end -}}
{{- if and .Values.aggregator.postgresql.enabled (not .Values.aggregator.postgresql.url) -}}
{{- fail "aggregator.postgresql.url is empty; write postgresql://USER@HOST:PORT/DATABASE, and the password into the Secret that aggregator.postgresql.passwordSecret names" -}}
{{- end -}}
{{- if and .Values.aggregator.tls.enabled (not .Values.aggregator.tls.secretName) -}}
{{- fail "aggregator.tls.secretName is empty; name a Secret of type kubernetes.io/tls with tls.crt, tls.key and ca.crt" -}}
{{- end -}}
{{- if and .Values.agent.tls.enabled (not .Values.agent.tls.secretName) -}}
{{- fail "agent.tls.secretName is empty; name a Secret of type kubernetes.io/tls with tls.crt, tls.key and ca.crt" -}}
{{- end -}}
{{- if and (eq .Values.rbac.scope "namespaces") (not .Values.rbac.namespaces) -}}
{{- fail "rbac.scope is namespaces, but rbac.namespaces is empty; list those to follow" -}}
{{- end -}}
{{- end -}}

{{/* How monitors scrape; a timeout beyond the interval is refused by Prometheus itself, later and elsewhere. */}}
{{- define "goodput.scraping" -}}
{{- $monitoring := .Values.monitoring -}}
path: /metrics
honorLabels: {{ $monitoring.honorLabels }}
{{- with $monitoring.interval }}
interval: {{ . }}
{{- end }}
{{- with $monitoring.scrapeTimeout }}
scrapeTimeout: {{ . }}
{{- end }}
{{- with $monitoring.relabelings }}
relabelings:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $monitoring.metricRelabelings }}
metricRelabelings:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}
