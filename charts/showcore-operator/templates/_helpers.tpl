{{/* The name of most objects: the release's, unless it says the chart's name already. */}}
{{- define "showcore.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* Of objects outside a namespace: two releases of one name in two namespaces must not share them. */}}
{{- define "showcore.clustername" -}}
{{- printf "%s-%s" .Release.Namespace (include "showcore.fullname" .) | trunc 50 | trimSuffix "-" -}}
{{- end -}}

{{- define "showcore.selector" -}}
app.kubernetes.io/name: {{ default .Chart.Name .Values.nameOverride }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "showcore.labels" -}}
{{ include "showcore.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "showcore.serviceaccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "showcore.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{/* What the operator may do with its kinds, their Secrets and their Events: in all namespaces, or in one. */}}
{{- define "showcore.rules" -}}
- apiGroups: [showcore.io]
  resources: [showcoredatabases, showcorecaches, showcorebuckets]
  verbs: [get, list, watch, patch]
- apiGroups: [showcore.io]
  resources: [showcoredatabases/status, showcorecaches/status, showcorebuckets/status]
  verbs: [patch]
- apiGroups: [""]
  resources: [secrets]
  verbs: [get, create, patch]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create]
{{- end -}}

{{/* A deletion asks whether its CRD goes too. */}}
{{- define "showcore.crdrule" -}}
- apiGroups: [apiextensions.k8s.io]
  resources: [customresourcedefinitions]
  resourceNames: [showcoredatabases.showcore.io, showcorecaches.showcore.io, showcorebuckets.showcore.io]
  verbs: [get]
{{- end -}}

{{/* What one value alone cannot say. */}}
{{- define "showcore.check" -}}
{{- if eq .Values.mode "Namespaced" -}}
{{- if not .Values.clusterID -}}
{{- fail "clusterID: mode Namespaced needs one, since it may not read the uid of the namespace kube-system: kubectl get namespace kube-system -o jsonpath={.metadata.uid}" -}}
{{- end -}}
{{- if or .Values.guardRails.tiers .Values.guardRails.requireTier -}}
{{- fail "guardRails: admission policies are cluster-scoped, and mode Namespaced makes nothing that is: leave tiers empty and requireTier false" -}}
{{- end -}}
{{- else if .Values.rbac.readCRDs -}}
{{- fail "rbac.readCRDs: mode Cluster reads the CRDs anyway; it is for mode Namespaced" -}}
{{- end -}}
{{- if and .Values.guardRails.requireTier (not .Values.guardRails.tiers) -}}
{{- fail "guardRails.requireTier: with no tiers no store could be made anywhere; give guardRails.tiers" -}}
{{- end -}}
{{- end -}}
