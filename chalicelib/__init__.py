"""What ships to Lambda. Imports point down this list; adapters, modules and settings do not know each other.

entrypoints   where AWS calls us: HTTP requests, SQS messages, schedules
bootstrap     the composition root, which builds a node from its parts
adapters      the ports on DynamoDB, SQS, EventBridge and HTTP
modules       what is special about each module of OCPI
settings      configuration from the environment
node          what every module has in common
ocpi          the protocol itself, without I/O

Beside entrypoints and bootstrap, for Chalice's command line alone:

clihooks      corrections of Chalice's command line: local server and gateway responses
clipackages   corrections of what Chalice packs for a deployment
"""
