"""The surface of Meeting BaaS: `/bots`, by the header `x-meeting-baas-api-key`."""
