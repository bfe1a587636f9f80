"""LiveKit's egress service: records rooms into files, on LiveKit's internal RPC."""
