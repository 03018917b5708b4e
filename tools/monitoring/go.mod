// The definitions of Prometheus' operator, for the tests of the chart; `fetch` takes
// three files of it and builds nothing.
module goodput-exporter/tools/monitoring

go 1.26.0

require github.com/prometheus-operator/prometheus-operator v0.85.0
