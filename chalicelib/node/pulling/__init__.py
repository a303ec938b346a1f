"""Partners' lists, fetched by us: they own the objects, and we crawl their lists page by page.

schedule        which lists are pulled, and when a pull begins
crawl           the work of one message: one page fetched, its objects received, the next page queued
decision        what becomes of a pull: the whole policy as pure functions
pages           one page of a list, and the request that fetches it
page_objects    the objects on a page: received, or put into quarantine; and those that are listed no more
disappearance   objects that complete pulls do not list any more
links           the URLs from page to page
progress        how far a pull is: stored, then the message for its next page queued
state           a pull as it is stored, its message, and the ports
"""
