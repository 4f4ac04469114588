"""Many runs: trained together, and kept together."""
