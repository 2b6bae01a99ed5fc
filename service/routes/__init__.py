"""In: HTTP requests. Out: answers. One small file for each thing that can be asked about."""
