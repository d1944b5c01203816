{{- define "countermand.name" -}}
{{- .Values.nameOverride | default .Chart.Name -}}
{{- end }}

{{- /* At most 53 characters, Helm's limit for a release name, because objects add a suffix. */}}
{{- define "countermand.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride -}}
{{- else if contains (include "countermand.name" .) .Release.Name -}}
{{- .Release.Name | trunc 53 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "countermand.name" .) | trunc 53 | trimSuffix "-" -}}
{{- end -}}
{{- end }}

{{- define "countermand.selector" -}}
app.kubernetes.io/name: {{ include "countermand.name" . | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end }}

{{- define "countermand.labels" -}}
{{- /* The chart's own labels take precedence, because the selectors need them. */ -}}
{{- $own := include "countermand.selector" . | fromYaml -}}
{{- $_ := set $own "app.kubernetes.io/version" .Chart.AppVersion -}}
{{- $_ := set $own "app.kubernetes.io/managed-by" .Release.Service -}}
{{- $_ := set $own "helm.sh/chart" (printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_") -}}
{{- merge $own .Values.commonLabels | toYaml -}}
{{- end }}

{{- define "countermand.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- .Values.serviceAccount.name | default (include "countermand.fullname" .) -}}
{{- else -}}
{{- .Values.serviceAccount.name | default "default" -}}
{{- end -}}
{{- end }}

{{- define "countermand.image" -}}
{{- $tag := .Values.image.tag | default .Chart.AppVersion -}}
{{- printf "%s:%s" .Values.image.repository $tag -}}
{{- with .Values.image.digest }}@{{ . }}{{ end -}}
{{- end }}
