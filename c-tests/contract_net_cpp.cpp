// The same check through a C++ compiler: the header's declarations have C linkage and the same types there.
#include "contract_net.c"
