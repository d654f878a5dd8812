"""Evidence of Graph alerts: one function a type, in families."""
