{{- define "probav.labels" -}}
app.kubernetes.io/name: probav
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- /* Pods of the chart of JupyterHub carry these, users' servers among them; `component` tells them apart. */}}
{{- define "probav.jupyterhub" -}}
app: jupyterhub
release: {{ .Release.Name }}
{{- end }}

{{- define "probav.executor" -}}
{{- with .Values.global.probav.spark.image }}{{ .name }}:{{ .tag }}{{ end }}
{{- end }}

{{- /* Rules of egress that users' servers and executors share. */}}
{{- define "probav.reading" -}}
{{- with .Values.global.probav.network -}}
- to:
    {{- toYaml .dns | nindent 4 }}
  ports:
    - { protocol: UDP, port: 53 }
    - { protocol: TCP, port: 53 }
{{- with .archive }}
{{ toYaml . }}
{{- end }}
{{- end }}
{{- end }}
