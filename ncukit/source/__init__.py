"""What a kernel file tells without a GPU and without being run."""
