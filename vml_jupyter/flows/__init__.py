"""What the product does, each flow reading like the sentence that promises it; the only place where siblings meet."""
