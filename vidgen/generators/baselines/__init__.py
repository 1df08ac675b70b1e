"""Baselines that learn nothing: what any trained generator must beat."""
