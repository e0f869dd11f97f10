"""The local Textract: real documents are really read, by their text or by optical recognition."""
