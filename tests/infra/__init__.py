"""Tests of what stands around the code: the data stack, policies, packages, deployments, the local server's hook."""
