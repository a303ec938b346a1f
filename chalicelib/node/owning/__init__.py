"""Our own objects, as the host puts them in.

own          validated, announced to partners, then written
drafts       an object as it shall become, and whom that concerns when
timestamps   last_updated of the object and of its parts
"""
