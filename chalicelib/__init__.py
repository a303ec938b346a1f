"""What ships to Lambda. Imports point down this list.

entrypoints   where AWS calls us
bootstrap     the composition root
adapters      the ports on AWS and on the web
modules       what is special about each module of OCPI
settings      configuration from the environment
node          what every module has in common
ocpi          the protocol, pure
clihooks      what `chalice deploy` calls before and after
clipackages   what a deployment packs
"""
