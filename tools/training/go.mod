// The definitions of kinds of training jobs, for the test of the examples; `fetch` takes
// one file of each project and builds nothing.
module goodput-exporter/tools/training

go 1.26.0

require (
	github.com/kubeflow/trainer/v2 v2.1.0
	github.com/kubeflow/training-operator v1.9.3
	github.com/ray-project/kuberay/ray-operator v1.5.1
)
