"""The rulebook's general sections: transport (TRA), pages (PAG), formats (FMT), and what tries to break them."""
