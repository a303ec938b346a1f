"""Our own objects, as the host writes them: with PUT, PATCH, DELETE, or as an import of a list.

own_objects  reads and writes of our objects: validated, announced for the push, then written
drafts       the next state of one object, validated but not written yet, and when it is pushed
timestamps   last_updated of an object and of its parts
"""
