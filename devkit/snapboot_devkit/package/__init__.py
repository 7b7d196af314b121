"""What ships: zip, layer and image contents, module archives, and their audit."""
