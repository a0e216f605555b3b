"""JupyterHub on Kubernetes, as the chart in helm/ sets it up: servers are pods, a broker makes executors."""
