"""River's verbs over our kernels: a public library that the service does not use."""
