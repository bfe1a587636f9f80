"""LiveKit's SIP service: joins calls to rooms, on LiveKit's internal RPC."""
