"""SIP signalling (RFC 3261) for asyncio: messages, transports, transactions, dialogs. No media and no policy."""
