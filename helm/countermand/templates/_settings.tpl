{{- /*
The settings as environment variables. The names of values and variables correspond (`queueUrl`,
`COUNTERMAND_QUEUE_URL`), so a new setting needs no line here. Two variables have other sources:
COUNTERMAND_API_TOKEN comes from a Secret, COUNTERMAND_REPLICAS from the number of pods.
*/}}
{{- define "countermand.environment" -}}
{{- $environment := dict "COUNTERMAND_REPLICAS" (include "countermand.mostReplicas" .) -}}
{{- range $name, $value := .Values.settings -}}
{{- if kindIs "slice" $value -}}
{{- $value = join "," $value -}}
{{- end -}}
{{- if not (kindIs "invalid" $value) -}}
{{- $_ := set $environment (printf "COUNTERMAND_%s" ($name | snakecase | upper)) (toString $value) -}}
{{- end -}}
{{- end -}}
{{- if .Values.rules.files -}}
{{- $folders := append (.Values.settings.rulesFolders | default list) "/etc/countermand/rules" -}}
{{- $_ := set $environment "COUNTERMAND_RULES_FOLDERS" (join "," $folders) -}}
{{- end -}}
{{- if .Values.rules.overrides -}}
{{- $_ := set $environment "COUNTERMAND_RULE_OVERRIDES" "/etc/countermand/overrides.yaml" -}}
{{- end -}}
{{- toYaml $environment -}}
{{- end }}

{{- define "countermand.hasRules" -}}
{{- if or .Values.rules.files .Values.rules.overrides }}true{{ end -}}
{{- end }}

{{- /* The data of the ConfigMap with rule files and overrides. */}}
{{- define "countermand.rules" -}}
{{- $data := deepCopy (.Values.rules.files | default dict) -}}
{{- if .Values.rules.overrides -}}
{{- $_ := set $data "overrides" (toYaml .Values.rules.overrides) -}}
{{- end -}}
{{- toYaml $data -}}
{{- end }}

{{- define "countermand.mostReplicas" -}}
{{- ternary .Values.autoscaling.maxReplicas .Values.replicaCount .Values.autoscaling.enabled | int -}}
{{- end }}

{{- /* "true" or empty, like every template here that tests a condition. */}}
{{- define "countermand.usesSqlite" -}}
{{- if hasPrefix "sqlite:" (.Values.settings.ledgerUrl | default "sqlite:") }}true{{ end -}}
{{- end }}

{{- define "countermand.apiPort" -}}
{{- .Values.settings.apiPort | default 8080 | int -}}
{{- end }}

{{- /* Errors between values, which a schema cannot express, reported all at once. At start, the service
checks that its settings fit together. */}}
{{- define "countermand.refusals" -}}
{{- $settings := .Values.settings -}}
{{- if not $settings.queueUrl }}
- settings.queueUrl: required. Set it to the URL of the SQS queue, for example https://sqs.us-east-1.amazonaws.com/111122223333/countermand
{{- end -}}
{{- if not $settings.topicArn }}
- settings.topicArn: required. Set it to the ARN of the SNS topic, for example arn:aws:sns:us-east-1:111122223333:countermand-alerts
{{- end -}}
{{- if has ($settings.apiHost | default "127.0.0.1") (list "localhost" "::1") | or (hasPrefix "127." ($settings.apiHost | default "127.0.0.1")) }}
- settings.apiHost: the kubelet cannot reach {{ $settings.apiHost | default "127.0.0.1 (the service's default)" }} for its probes. Use 0.0.0.0.
{{- end -}}
{{- if not (or .Values.apiToken.secretName $settings.apiAllowAnonymous) }}
- apiToken.secretName: required, because without a token anyone who reaches the API can read decisions. Create a Secret, for example
  kubectl create secret generic countermand-api --from-literal=token="$(openssl rand -hex 32)"
  and set apiToken.secretName=countermand-api. If something else restricts access, set settings.apiAllowAnonymous=true instead.
{{- end -}}
{{- if include "countermand.usesSqlite" . -}}
{{- if gt (include "countermand.mostReplicas" . | int) 1 }}
- settings.ledgerUrl: {{ include "countermand.mostReplicas" . }} replicas cannot share an SQLite file. Set settings.ledgerUrl=dynamodb:TABLE, or replicaCount=1 without autoscaling.
{{- end -}}
{{- if not (regexMatch "^sqlite:/var/lib/countermand/[^/]+$" ($settings.ledgerUrl | default "")) }}
- settings.ledgerUrl: an SQLite file must be on the volume. Set it to, for example, sqlite:/var/lib/countermand/ledger.sqlite3
{{- end -}}
{{- end -}}
{{- if and .Values.rules.overrides .Values.settings.ruleOverrides }}
- settings.ruleOverrides: the worker reads one file of overrides, and rules.overrides creates one. Set only one of the two.
{{- end -}}
{{- if and .Values.autoscaling.enabled (gt (int .Values.autoscaling.minReplicas) (int .Values.autoscaling.maxReplicas)) }}
- autoscaling.minReplicas: {{ .Values.autoscaling.minReplicas }} exceeds autoscaling.maxReplicas, {{ .Values.autoscaling.maxReplicas }}. Lower the minimum or raise the maximum.
{{- end -}}
{{- if and .Values.serviceAccount.roleArn (not .Values.serviceAccount.create) }}
- serviceAccount.roleArn: the chart can annotate only a ServiceAccount that it creates. With serviceAccount.create=false, annotate your own.
{{- end -}}
{{- if and .Values.prometheusRule.enabled (not (.Files.Glob "files/alerts/*.yml")) }}
- prometheusRule.enabled: this chart was packaged without alert rules in files/alerts/. Set it to false.
{{- end -}}
{{- if and .Values.dashboards.enabled (not (.Files.Glob "files/dashboards/*.json")) }}
- dashboards.enabled: this chart was packaged without dashboards in files/dashboards/. Set it to false.
{{- end -}}
{{- end }}
