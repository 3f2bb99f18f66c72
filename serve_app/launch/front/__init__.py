"""HAProxy as it stands in front of the gateways of a node: what it says, what it bounds, and who looks after it."""
