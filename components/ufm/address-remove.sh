# The fabric interface as it was found (U3).
take_back
