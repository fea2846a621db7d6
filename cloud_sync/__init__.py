"""The cloud end of the link: who may join, what is declared for whom, what the twins are and were."""
