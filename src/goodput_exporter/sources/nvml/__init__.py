"""What NVML says of every GPU, from a child process that may hang or crash."""
