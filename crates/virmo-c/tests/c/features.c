/* Says what the library has, by the names in its pkg-config file. */
#include <stdio.h>
#include <virmo.h>

int main(void) {
  static const struct {
    uint32_t bit;
    const char *name;
  } all[] = {{VIRMO_FEATURE_BOOTSTRAP, "bootstrap"}, {VIRMO_FEATURE_DESCRIPTORS, "descriptors"},
             {VIRMO_FEATURE_DM_TREE, "dm-tree"},     {VIRMO_FEATURE_DRAFT, "draft"},
             {VIRMO_FEATURE_TNDS, "tnds"},           {VIRMO_FEATURE_UI, "ui"}};
  uint32_t left = virmo_features();
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
    if (left & all[i].bit) printf("%s\n", all[i].name);
    left &= ~all[i].bit;
  }
  return left != 0;
}
