"""What every store promises, checked alike against memory, moto and ministack."""
