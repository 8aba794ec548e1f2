"""Test-time budget methods: how a problem is thought about under each budget of a grid."""
