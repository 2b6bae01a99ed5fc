"""River's verbs over our kernels: a public library that the service does not use."""

from models.estimators.factorization import FactorizationMachine

__all__ = ["FactorizationMachine"]
