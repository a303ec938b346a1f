"""The modules of OCPI, in conversation with real and with scripted partners."""
